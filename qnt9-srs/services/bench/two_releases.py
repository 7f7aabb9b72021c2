#!/usr/bin/env python3
"""Two releases at the same time on one database, under load, while the newer one takes its steps: no request
may fail.

    services/bench/two_releases.py --old COMMIT [--seconds 4]

The older program is built from COMMIT, the newer one from what is checked out. Both search, one after the
other joins and leaves: old alone, both while the steps are taken, new alone. It needs wrk, git, cargo and
PostgreSQL's programs.
"""

import argparse
import io
import os
import pathlib
import signal
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True  # what lies beside the sources would be taken for a part of the system
from compare import ROOT, Database, Service  # noqa: E402

SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = [[{"query": "AAPL"}]]
done = function(summary)
  local e = summary.errors
  print(string.format("RESULT %d %d", summary.requests, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--old", required=True, help="a commit of this repository")
    parser.add_argument("--seconds", type=int, default=4)
    arguments = parser.parse_args()
    new = build(ROOT, ROOT / "target")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # Cargo tells sources apart by their age alone: two of them in one folder would be mixed up.
        old = build(checked_out(arguments.old, folder), ROOT / "target/old")
        with Database(folder) as database:
            failed = exchange(old, new, database.url, folder, arguments.seconds)
    print("no request failed" if not failed else f"{failed} requests failed")
    sys.exit(1 if failed else 0)


def checked_out(commit, folder):
    """The reference system as it was."""
    # Asked inside a folder of the repository, git packs that folder alone.
    archive = git("archive", commit)
    source = folder / "source"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(source, filter="data")
    return source


def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True).stdout


def build(source, target):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    command = ["cargo", "build", "--release", "--quiet", "--package", "stock"]
    subprocess.run(command, cwd=source, env=environment, check=True)
    return target / "release/stock"


def exchange(old, new, url, folder, seconds):
    """How many requests failed."""
    script = folder / "search.lua"
    script.write_text(SCRIPT)
    environment = {"DATABASE_URL": url}
    failed = 0
    with Service("old", [old, "serve"], {**environment, "QNT9_RELEASE": "sha256:old"}) as first:
        failed += told("old alone", [load(first, script, seconds)])
        before = load(first, script, 2 * seconds)
        with Service("new", [new, "serve"], {**environment, "QNT9_RELEASE": "sha256:new"}) as second:
            both = [before, load(second, script, seconds)]
            failed += told("both, while steps are taken", both)
            print(f"  database: {steps(url)}")
            first.process.send_signal(signal.SIGTERM)
            first.process.wait()
            failed += told("new alone", [load(second, script, seconds)])
    return failed


def load(service, script, seconds):
    command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "-s", script]
    command.append(f"http://127.0.0.1:{service.port}/api/v1/stock/search")
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def told(when, loads):
    failed = 0
    for run in loads:
        output, _ = run.communicate()
        line = next(line for line in output.splitlines() if line.startswith("RESULT"))
        requests, errors = map(int, line.split()[1:])
        print(f"{when}: {requests} requests, {errors} failed")
        failed += errors + (requests == 0)
    return failed


def steps(url):
    query = "SELECT 'version ' || max(version) FROM schema_steps"
    return subprocess.run(["psql", url, "-Atc", query], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
