/* SPDX-License-Identifier: MIT */
/* A question to every shard. */
#include "survey.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

struct survey {
    pthread_mutex_t lock; /* of what follows up to missing */
    unsigned users;       /* the main thread until done, and each shard that has not answered */
    unsigned missing;
    unsigned count;
    json_t **answers;
    struct event *event; /* all have answered, or the time is over */
    survey_done done;
    void *arg;
};

static void survey_free(struct survey *survey)
{
    for (unsigned i = 0; i < survey->count; i++)
        json_decref(survey->answers[i]);
    pthread_mutex_destroy(&survey->lock);
    free(survey->answers);
    free(survey);
}

static void leave(struct survey *survey)
{
    pthread_mutex_lock(&survey->lock);
    bool is_last = --survey->users == 0;

    pthread_mutex_unlock(&survey->lock);
    if (is_last)
        survey_free(survey);
}

/* Late answers find no event and are freed with the survey. */
static void end(struct survey *survey)
{
    pthread_mutex_lock(&survey->lock);
    struct event *event = survey->event;

    survey->event = NULL;
    pthread_mutex_unlock(&survey->lock);
    event_free(event);
}

static void take_answers(struct survey *survey, json_t **answers)
{
    pthread_mutex_lock(&survey->lock);
    for (unsigned i = 0; i < survey->count; i++) {
        answers[i] = survey->answers[i];
        survey->answers[i] = NULL;
    }
    pthread_mutex_unlock(&survey->lock);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct survey *survey = arg;
    CLEANUP(cleanup_free) json_t **answers = calloc(survey->count + 1, sizeof(json_t *));

    (void)fd;
    (void)what;
    end(survey);
    if (answers)
        take_answers(survey, answers);
    survey->done(survey->arg, answers, answers ? survey->count : 0);
    for (unsigned i = 0; answers && i < survey->count; i++)
        json_decref(answers[i]);
    leave(survey);
}

int survey_begin(struct event_base *base, unsigned count, uint32_t timeout_ms, survey_done done, void *arg,
                 struct survey **ret_survey)
{
    struct timeval timeout = {timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000 * 1000)};
    struct survey *survey = calloc(1, sizeof(*survey));

    if (!survey)
        return -ENOMEM;
    *survey = (struct survey){.users = count + 1, .missing = count, .count = count, .done = done, .arg = arg};
    pthread_mutex_init(&survey->lock, NULL);
    survey->answers = calloc(count + 1, sizeof(json_t *));
    survey->event = evtimer_new(base, on_event, survey);
    if (!survey->answers || !survey->event || event_add(survey->event, &timeout) < 0) {
        if (survey->event)
            event_free(survey->event);
        survey->count = survey->answers ? count : 0;
        survey_free(survey);
        return -ENOMEM;
    }
    *ret_survey = survey;
    return 0;
}

void survey_answer(struct survey *survey, unsigned shard, json_t *answer)
{
    pthread_mutex_lock(&survey->lock);
    survey->answers[shard] = answer;
    if (--survey->missing == 0 && survey->event)
        event_active(survey->event, EV_TIMEOUT, 0);
    pthread_mutex_unlock(&survey->lock);
    leave(survey);
}

void survey_miss(struct survey *survey)
{
    leave(survey);
}

void survey_cancel(struct survey *survey)
{
    end(survey);
    leave(survey);
}
