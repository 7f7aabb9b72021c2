#!/usr/bin/env python3
"""Stock search beside the stack of the system's description (FastAPI, uvicorn, rapidfuzz), on the same
machine in one run: the same companies and requests, one processor for the service, another for the load.

    cargo build --profile fast && services/bench/compare.py [--rounds 5] [--seconds 3] [--connections 32]

Rounds take turns, so that what else the machine does meets both alike; the median counts. It needs wrk
(apt-get install wrk), PostgreSQL's programs (or DATABASE_URL) and, the first time, PyPI.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TICKERS = ROOT / "services/listing/data/tickers.tsv"
NOBODY = 65534
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SEARCHES = {"exact": "AAPL", "part of a name": "bank", "misspelt": "deutche bank"}
RATIO_MIN, P99_MS_MAX, MEMORY_MB_MAX = 10, 5, 40


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/fast/stock")
    parser.add_argument("--venv", type=pathlib.Path, default=ROOT / "target/bench-venv")
    parser.add_argument("--undisturbed", action="store_true", help="before all else on a busy machine; as root")
    parser.add_argument("--json", type=pathlib.Path, help="where to write every round")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("compare: wrk is missing: apt-get install wrk")
    if not arguments.binary.exists():
        sys.exit(f"compare: {arguments.binary} is missing: cargo build --profile fast")
    if os.cpu_count() < 2:
        sys.exit("compare: two processors are needed, one for the service and one for the load")
    if arguments.undisturbed:
        prefer()
    python = venv(arguments.venv)
    with tempfile.TemporaryDirectory() as folder, Database(pathlib.Path(folder)) as database:
        ours = Service("stock", [arguments.binary, "serve"], {"DATABASE_URL": database.url})
        uvicorn = [python, "-m", "uvicorn", "peer:app", "--workers", "1", "--no-access-log"]
        peer = Service("FastAPI", [*uvicorn, "--port", "{port}"], {"TICKERS": str(TICKERS)})
        with ours, peer:
            agree(ours, peer)
            rounds = [
                measure(service, name, query, arguments, pathlib.Path(folder))
                for _ in range(arguments.rounds)
                for name, query in SEARCHES.items()
                for service in (ours, peer)
            ]
    if arguments.json:
        arguments.json.write_text(json.dumps(rounds, indent=1) + "\n")
    sys.exit(report(rounds, arguments))


def prefer():
    """Lets this program and all that it starts, both services alike, go before everything else."""
    os.nice(-19)
    group = pathlib.Path("/proc/self/autogroup")
    if group.exists():
        # Linux weighs whole sessions against each other (sched(7)): nice alone counts within one.
        group.write_text("-19\n")


def venv(folder):
    """A Python with the packages of the peer."""
    python = folder / "bin/python"
    done = folder / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        wanted = ["-r", HERE / "requirements.txt"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        done.touch()
    return python


class Service:
    """A service on processor 0."""

    def __init__(self, name, command, environment):
        self.name = name
        self.port = free_port()
        self.command = [str(part).replace("{port}", str(self.port)) for part in command]
        # What Python compiles beside its sources would be taken for a part of the system.
        settings = {"PORT": str(self.port), "PYTHONDONTWRITEBYTECODE": "1"}
        self.environment = {**os.environ, **environment, **settings}

    def __enter__(self):
        command = ["taskset", "-c", "0", *self.command]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, env=self.environment, cwd=HERE, **quiet)
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                sys.exit(f"compare: {self.name} does not start: {' '.join(command)}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def answers(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health") as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def search(self, query):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/stock/search",
            json.dumps({"query": query}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_mb(self):
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * PAGE_BYTES / 1e6


class Database:
    """The one that DATABASE_URL names, or one for this run."""

    def __init__(self, folder):
        self.folder, self.server = folder, None
        self.url = os.environ.get("DATABASE_URL")

    def __enter__(self):
        if self.url:
            return self
        user = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}
        bin_folder = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip()
        program = lambda name: shutil.which(name) or f"{bin_folder}/{name}"
        os.chmod(self.folder, 0o755)
        data = self.folder / "postgres"
        data.mkdir(mode=0o700)
        if user:
            os.chown(data, NOBODY, NOBODY)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **user}
        options = ["--username=bench", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([program("initdb"), "-D", data, *options], check=True, **quiet)
        port = free_port()
        listen = ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=off"]
        self.server = subprocess.Popen([program("postgres"), "-D", data, *listen], **quiet)
        self.url = f"postgres://bench@127.0.0.1:{port}/postgres"
        return self

    def __exit__(self, *_):
        if self.server:
            self.server.send_signal(signal.SIGINT)
            self.server.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def agree(ours, peer):
    """Both must find the same company first, or they do not do the same work."""
    for query in ["AAPL", "DE0007164600", "deutche bank", "mircosoft"]:
        first = [service.search(query)["results"][0]["symbol"] for service in (ours, peer)]
        if first[0] != first[1]:
            sys.exit(f"compare: for {query!r} one finds {first[0]} and the other {first[1]} first")


def measure(service, name, query, arguments, folder):
    script = folder / "search.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\n'
        f"wrk.body = [[{json.dumps({'query': query})}]]\n"
        "done = function(summary, latency)\n"
        '  local e = summary.errors\n'
        '  print(string.format("RESULT %d %d %d %d", summary.requests, summary.duration,\n'
        "    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))\nend\n"
    )
    before = service.cpu_seconds()
    # Load that has to wait for a processor would measure itself.
    realtime = ["chrt", "-f", "10"] if arguments.undisturbed else []
    command = [*realtime, "taskset", "-c", "1", "wrk", "-t1", f"-c{arguments.connections}"]
    command += [f"-d{arguments.seconds}s", "-s", script, f"http://127.0.0.1:{service.port}/api/v1/stock/search"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu = service.cpu_seconds() - before
    line = next(line for line in output.splitlines() if line.startswith("RESULT"))
    requests, duration_us, p99_us, errors = map(int, line.split()[1:])
    return {
        "service": service.name, "search": name, "requests_per_s": requests * 1e6 / duration_us,
        "p99_ms": p99_us / 1000, "errors": errors, "requests_per_cpu_s": requests / max(cpu, 0.01),
        "memory_mb": service.memory_mb(),
    }


def report(rounds, arguments):
    """Prints the medians, and says whether what is wanted was met."""
    of = lambda service, search, what: [
        r[what] for r in rounds if r["service"] == service and r["search"] == search
    ]
    median = lambda *key: statistics.median(of(*key))
    print(f"{arguments.rounds} rounds of {arguments.seconds} s, {arguments.connections} connections, medians")
    print("| search | service | requests/s | P99 ms | requests/s of processor time | failed |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    met = True
    for search in SEARCHES:
        for service in ("stock", "FastAPI"):
            print(
                f"| {search} | {service} | {median(service, search, 'requests_per_s'):,.0f} "
                f"| {median(service, search, 'p99_ms'):.1f} "
                f"| {median(service, search, 'requests_per_cpu_s'):,.0f} "
                f"| {sum(of(service, search, 'errors'))} |"
            )
    print()
    for search in SEARCHES:
        ratio = lambda what: median("stock", search, what) / median("FastAPI", search, what)
        met &= said(f"{search}: {ratio('requests_per_s'):.1f} times the requests/s", ratio("requests_per_s") >= RATIO_MIN,
                    f"at least {RATIO_MIN}; {ratio('requests_per_cpu_s'):.1f} times per processor second")
        p99 = median("stock", search, "p99_ms")
        met &= said(f"{search}: P99 {p99:.1f} ms", p99 < P99_MS_MAX, f"under {P99_MS_MAX}")
    memory = max(r["memory_mb"] for r in rounds if r["service"] == "stock")
    peers = max(r["memory_mb"] for r in rounds if r["service"] == "FastAPI")
    met &= said(f"memory {memory:.0f} MB", memory < MEMORY_MB_MAX, f"under {MEMORY_MB_MAX}; the peer has {peers:.0f}")
    return 0 if met else 1


def said(what, met, wanted):
    print(f"{'met    ' if met else 'NOT MET'} {what} (wanted: {wanted})")
    return met


if __name__ == "__main__":
    main()
