# SPDX-License-Identifier: MIT
"""The rows of the benchmark and how they are printed."""

import json
import os
import statistics

from costs import print_costs

CORES = len(os.sched_getaffinity(0))
IDLE_CONNECTIONS = 1000
SPLIT_MARK = 6.0


def wrk_threads(workload):
    return workload[3] if workload[1] == "PUT" else min(workload[3], CORES)


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def row(workload, unit, subject, peer, ratios=None, lower_is_better=False, peer_name="nginx"):
    ratio = peer / subject if lower_is_better else subject / peer
    ratios = ratios or [ratio]
    return {"workload": workload, "subject": "blobproxyd", "peer": peer_name, "unit": unit, "subject_median": round(subject, 3),
            "peer_median": round(peer, 3), "ratio": round(ratio, 3), "ratio_min": round(min(ratios), 3),
            "ratio_max": round(max(ratios), 3)}


def rate_row(workload, runs):
    peer_name = next(name for name in runs if name != "blobproxyd")
    pairs = list(zip(runs["blobproxyd"], runs[peer_name]))
    return row(workload[0], workload[4], median(runs["blobproxyd"], "rate"), median(runs[peer_name], "rate"),
               [subject["rate"] / peer["rate"] for subject, peer in pairs], peer_name=peer_name)


def cpu_row(workload, runs):
    pairs = list(zip(runs["blobproxyd"], runs["nginx"]))
    return row(workload[0] + ": CPU of the daemons", "us/request, lower is better", median(runs["blobproxyd"], "cpu_us"),
               median(runs["nginx"], "cpu_us"), [peer["cpu_us"] / subject["cpu_us"] for subject, peer in pairs], True)


def scaling_row(rates):
    at_64, at_256 = rates[1], rates[2]
    return row("1 KiB GET, 256 relative to 64 connections", "requests/s at 256 / at 64",
               at_256["subject_median"] / at_64["subject_median"], at_256["peer_median"] / at_64["peer_median"])


def mark(is_met, text):
    return f"{text}: {'met' if is_met else 'NOT met'}"


def rate_marks(results, rates):
    return ["" if workload[5] is None else mark(entry["ratio"] >= workload[5], f"mark >= {workload[5]:g}x")
            for (workload, _), entry in zip(results, rates)]


def print_rows(entries, marks):
    width = max(len(entry["workload"]) for entry in entries)
    print(f"\n{'workload':{width}} {'blobproxyd':>11} {'peer':>11} {'ratio':>6} {'(min..max)':>14}  unit")
    for entry, text in zip(entries, marks):
        span = f"({entry['ratio_min']:.2f}..{entry['ratio_max']:.2f})"
        digits = ".2f" if entry["subject_median"] < 10 else ".1f" if entry["subject_median"] < 1000 else ",.0f"
        print(f"{entry['workload']:{width}} {entry['subject_median']:>11{digits}} {entry['peer_median']:>11{digits}} "
              f"{entry['ratio']:>6.2f} {span:>14}  {entry['unit']}{'; ' + text if text else ''}")


def print_cores(results):
    print(f"\nWho used the {CORES} cores (medians). wrk shares them; below its number of threads it is not what limits:")
    print(f"{'workload':28} {'side':11} {'daemons':>8} {'wrk/threads':>11} {'idle':>6} {'others':>6} {'p99 ms':>8}")
    for workload, runs in results:
        for name, side_runs in runs.items():
            daemons, wrk, idle = (median(side_runs, key) for key in ("side_cores", "generator_cores", "idle_cores"))
            print(f"{workload[0]:28} {name:11} {daemons:>8.2f} {f'{wrk:.2f}/{wrk_threads(workload)}':>11} {idle:>6.2f} "
                  f"{max(CORES - daemons - wrk - idle, 0):>6.2f} {median(side_runs, 'p99_us') / 1000:>8.2f}")


def print_device(device):
    print("\nCPU of the programs, seconds per GB of bodies (medians):")
    print(f"{'workload':60} {'channel':9} {'blobproxyd':>10} {'blobdevsim':>10} {'blobhostd':>10}")
    for workload, runs in device:
        for name, side_runs in runs.items():
            used = [statistics.median(run["cpu_s_per_gb"].get(program, 0) for run in side_runs)
                    for program in ("blobproxyd", "blobdevsim", "blobhostd")]
            channel = "device" if name == "blobproxyd" else name
            print(f"{workload[0]:60} {channel:9} " + " ".join(f"{seconds:>10.3f}" for seconds in used))


def print_memory(memory, after_kib):
    print(f"\nMemory at {IDLE_CONNECTIONS} idle connections, each answered once (MiB; the store's processes are not counted):")
    for name, kib in memory.items():
        each = (kib["own"] - kib["before_own"]) / IDLE_CONNECTIONS
        print(f"{name:11} own {kib['own'] / 1024:7.1f} (VmRSS without RssShmem, over all its processes), {each:.1f} KiB a connection; "
              f"shared {kib['shared'] / 1024:.1f} (RssShmem: the slot budget); Pss {kib['pss'] / 1024:.1f}")
    print(f"blobproxyd after all workloads: own {after_kib / 1024:.1f}")


def report(results, memory, after_kib, split, passes, device, cost_rows, path):
    rates = [rate_row(workload, runs) for workload, runs in results]
    cpu = [cpu_row(workload, runs) for workload, runs in results]
    scaling = scaling_row(rates)
    resident = row(f"resident memory at {IDLE_CONNECTIONS} idle connections", "MiB without slot budget, lower is better",
                   memory["blobproxyd"]["own"] / 1024, memory["nginx"]["own"] / 1024, lower_is_better=True)
    entries = rates + cpu + [scaling, resident, split] + [rate_row(workload, runs) for workload, runs in passes + device]
    marks = rate_marks(results, rates) + [""] * len(cpu)
    marks.append(mark(abs(scaling["subject_median"] - 1) <= 0.2, "mark within 20 %"))
    marks.append(mark(resident["subject_median"] < 64, "mark < 64"))
    marks.append(mark(split["ratio"] >= SPLIT_MARK, f"mark >= {SPLIT_MARK:g}x"))
    marks += [""] * len(passes + device)
    print_rows(entries, marks)
    print_cores(results)
    print_memory(memory, after_kib)
    print_device(device)
    print_costs(cost_rows)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(entries + [entry for entry, _ in cost_rows], file, indent=1)
        file.write("\n")
    print(f"\nWritten: {path}")
