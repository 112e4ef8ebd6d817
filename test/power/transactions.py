"""A client of a session that commits to an SQLite database, and a checker of what is left of one.

work DATABASE MODE NOTES SECONDS SEED: commits, noting when each commit began and when it returned.
check: reads paths of databases from its input, a line each; answers with a line of JSON each.
"""
import json
import random
import sqlite3
import sys
import time


def content(number):
    return ("row %d " % number) * (1 + number * 37 % 200)


def work(path, mode, notes_path, seconds, seed):
    rng = random.Random(seed)
    ends_at = time.monotonic() + seconds
    notes = open(notes_path, "a", buffering=1)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = %s" % mode)
    # In WAL mode FULL syncs at each commit. With a rollback journal only EXTRA also syncs the
    # directory after the journal is gone, which is what commits.
    db.execute("PRAGMA synchronous = %s" % ("FULL" if mode == "WAL" else "EXTRA"))
    db.execute("PRAGMA wal_autocheckpoint = 30")
    db.execute("CREATE TABLE IF NOT EXISTS t (number INTEGER PRIMARY KEY, content TEXT)")
    number = 0
    while time.monotonic() < ends_at:
        for _ in range(rng.randint(1, 5)):
            begun = time.monotonic_ns()
            db.execute("BEGIN IMMEDIATE")
            count = rng.randint(1, 3)
            for each in range(number + 1, number + count + 1):
                db.execute("INSERT INTO t VALUES (?, ?)", (each, content(each)))
            db.execute("COMMIT")
            number += count
            notes.write(json.dumps({"start": begun, "end": time.monotonic_ns(), "number": number}) + "\n")
        time.sleep(rng.random() * 1.2)


def check(path):
    try:
        db = sqlite3.connect(path)
        verdict = [row[0] for row in db.execute("PRAGMA integrity_check")]
        number = 0
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 't'").fetchone():
            for number_read, text in db.execute("SELECT number, content FROM t ORDER BY number"):
                number += 1
                if number_read != number or text != content(number):
                    verdict.append("row %d is not what was written" % number)
        db.close()
        return {"verdict": verdict, "number": number}
    except sqlite3.Error as error:
        return {"verdict": [str(error)], "number": -1}


if sys.argv[1] == "work":
    work(sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]), int(sys.argv[6]))
else:
    for line in sys.stdin:
        print(json.dumps(check(line.rstrip("\n"))), flush=True)
