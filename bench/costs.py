# SPDX-License-Identifier: MIT
"""What the access log and a scraper cost: blobproxyd with and without, alternating, as ratios."""

import statistics
import threading
import urllib.request

ROUNDS = 6
SCRAPE_PERIOD_S = 1.0
MARK = 0.97

# what is switched on, configuration, whether /metrics is read once a second, whether the mark is for it
COSTS = [
    ("nothing (what pairs of runs differ by anyway)", "", False, False),
    ("log.access = errors", "[log]\naccess = errors\n", False, True),
    ("log.access = all, access_sample = 100", "[log]\naccess = all\naccess_sample = 100\n", False, True),
    ("log.access = all, to a file", "[log]\naccess = all\n", False, False),
    ("log.access = all, to a file, format = json", "[log]\naccess = all\nformat = json\n", False, False),
    ("/metrics read once a second", "", True, True),
]


class Scraper:
    """As a context reads /metrics once a second, the first time at once."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.scrapes = 0
        self.problem = None

    def run(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            while not self.end.wait(SCRAPE_PERIOD_S if self.scrapes else 0):
                with opener.open(self.url, timeout=10) as answer:
                    answer.read()
                self.scrapes += 1
        except OSError as error:
            self.problem = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


def run_one(side, is_scraped, run):
    if not is_scraped:
        return run(side)
    with Scraper(side.metrics_port) as scraper:
        result = run(side)
    if scraper.problem or not scraper.scrapes:
        raise OSError(f"/metrics could not be read: {scraper.problem}")
    return result


def measure_pair(sides, is_scraped, run):
    """[(with, without)], the order turned round every time, so that what drifts falls on both."""
    pairs = []
    for number in range(ROUNDS):
        runs = {}
        for index in (0, 1) if number % 2 else (1, 0):
            runs[index] = run_one(sides[index], is_scraped and index == 0, run)
        pairs.append((runs[0], runs[1]))
    return pairs


def measure_costs(make_side, prepare, run):
    """[(name, has_mark, pairs)]. make_side(number, configuration): a side that is not started; prepare(side) starts and fills it;
    run(side): one run."""
    results = []
    for number, (name, configuration, is_scraped, has_mark) in enumerate(COSTS):
        sides = [make_side(2 * number, configuration), make_side(2 * number + 1, "")]
        try:
            for side in sides:
                prepare(side)
            results.append((name, has_mark, measure_pair(sides, is_scraped, run)))
        finally:
            for side in sides:
                side.stop()
    return results


def ratio_of(pairs, key):
    """The median of the pairs' ratios, and their range; above 1: more with it."""
    ratios = sorted(there[key] / base[key] for there, base in pairs)
    return statistics.median(ratios), ratios[0], ratios[-1]


def cost_rows(results):
    """As the other rows of bench-results.json: subject is with it, peer without."""
    rows = []
    for name, has_mark, pairs in results:
        for key, unit in (("rate", "requests/s"), ("cpu_us", "us/request of the daemons, lower is better")):
            middle, low, high = ratio_of(pairs, key)
            if key == "cpu_us":
                middle, low, high = 1 / middle, 1 / high, 1 / low
            medians = [statistics.median(run[key] for run in side) for side in zip(*pairs)]
            text = f"mark >= {MARK:g}x: {'met' if middle >= MARK else 'NOT met'}" if has_mark and key == "rate" else ""
            row = {"workload": f"cost of {name}", "subject": "blobproxyd", "peer": "blobproxyd without", "unit": unit,
                   "subject_median": round(medians[0], 3), "peer_median": round(medians[1], 3), "ratio": round(middle, 3),
                   "ratio_min": round(low, 3), "ratio_max": round(high, 3)}  # fmt: skip
            rows.append((row, text))
    return rows


def print_costs(rows):
    width = max(len(row["workload"]) for row, _ in rows)
    print("\nWhat logs and metrics cost: blobproxyd with them and without, 1 KiB GET at 64 connections (medians of pairs):")
    print(f"{'':{width}} {'with':>10} {'without':>10} {'ratio':>6} {'(min..max)':>14}  unit")
    for row, text in rows:
        digits = ",.0f" if row["subject_median"] >= 1000 else ".1f"
        span = f"({row['ratio_min']:.2f}..{row['ratio_max']:.2f})"
        print(f"{row['workload']:{width}} {row['subject_median']:>10{digits}} {row['peer_median']:>10{digits}} {row['ratio']:>6.3f} "
              f"{span:>14}  {row['unit']}{'; ' + text if text else ''}")
