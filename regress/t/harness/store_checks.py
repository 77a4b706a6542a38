"""What is asked of every store alike, by whatever client it has."""

import concurrent.futures
import threading

ODD_KEYS = ["plain", "date=2026-11-25/x", "a b", "a+b", "a%2Fb", "ü/日本", "a-b/c", "a.b", "a0", "~!*'()&$@;:,?", "Z"]


def race(client, rounds, contenders):
    """Of conditional puts that begin together: in each round one succeeds, and its body is there."""
    with concurrent.futures.ThreadPoolExecutor(contenders) as pool:
        for number in range(rounds):
            begin = threading.Barrier(contenders)
            key, size = f"race/{contenders}/{number}", 1000 + 100_000 * (number % 2)
            bodies = [bytes([each]) * size for each in range(contenders)]

            def put(body, key=key, begin=begin):
                begin.wait()
                return client.put_if_absent(key, body)
            winners = [body for body, won in zip(bodies, pool.map(put, bodies)) if won]
            assert len(winners) == 1, f"{len(winners)} of {contenders} conditional puts of {key} succeeded"
            assert client.get(key) == winners[0], f"{key} is not what the winner put"
