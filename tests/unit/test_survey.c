/* SPDX-License-Identifier: MIT */
/* A question to several threads: answers that come, come late, or never. */
#include "../../src/blobproxyd/survey.h"

#include <criterion/criterion.h>
#include <event2/thread.h>
#include <pthread.h>

static struct event_base *base;
static struct survey *survey;
static unsigned calls, count_told;
static json_int_t sum;
static bool has_gap;

static void set_up(void)
{
    evthread_use_pthreads();
    base = event_base_new();
}

static void tear_down(void)
{
    event_base_free(base);
}

static void done(void *arg, json_t *const *answers, unsigned count)
{
    cr_assert_eq(arg, &base);
    calls++;
    count_told = count;
    for (unsigned i = 0; i < count; i++) {
        has_gap = has_gap || !answers[i];
        sum += answers[i] ? json_integer_value(answers[i]) : 0;
    }
}

static void *answer(void *arg)
{
    unsigned shard = (unsigned)(uintptr_t)arg;

    survey_answer(survey, shard, json_integer((json_int_t)shard + 1));
    return NULL;
}

Test(survey, the_answers_of_all_threads_come_together, .init = set_up, .fini = tear_down)
{
    pthread_t threads[8];

    cr_assert_eq(survey_begin(base, 8, 60000, done, &base, &survey), 0);
    for (uintptr_t i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, answer, (void *)i);
    while (calls == 0)
        event_base_loop(base, EVLOOP_ONCE);
    for (unsigned i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(calls, 1u);
    cr_expect_eq(count_told, 8u);
    cr_expect_eq(sum, 36);
    cr_expect_not(has_gap);
}

Test(survey, who_says_nothing_holds_up_nobody_and_may_answer_too_late, .init = set_up, .fini = tear_down)
{
    cr_assert_eq(survey_begin(base, 3, 1, done, &base, &survey), 0);
    survey_answer(survey, 0, json_integer(5));
    survey_miss(survey);
    event_base_dispatch(base);
    cr_expect_eq(calls, 1u);
    cr_expect_eq(sum, 5);
    cr_expect(has_gap);
    survey_answer(survey, 2, json_integer(7));
    event_base_loop(base, EVLOOP_NONBLOCK);
    cr_expect_eq(calls, 1u);
}

Test(survey, after_it_was_called_off_nobody_is_told, .init = set_up, .fini = tear_down)
{
    cr_assert_eq(survey_begin(base, 2, 60000, done, &base, &survey), 0);
    survey_answer(survey, 1, json_integer(5));
    struct survey *late = survey;

    survey_cancel(survey);
    survey_answer(late, 0, json_integer(7));
    event_base_loop(base, EVLOOP_NONBLOCK);
    cr_expect_eq(calls, 0u);
}
