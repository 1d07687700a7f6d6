"""Many threads of one process that send the same request at the same moment; run by the tests with ``-m``."""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from vidpoll import Client, GenerationRequest


def main(broker_url: str, database_url: str, fields: str, threads: int) -> None:
    """Print the answers: ids, as a JSON list."""
    client, start = Client(broker_url, database_url), threading.Barrier(threads)
    request = GenerationRequest(**json.loads(fields))

    def submit(_: int) -> str:
        start.wait()
        return str(client.submit(request))

    with ThreadPoolExecutor(threads) as pool:
        print(json.dumps(list(pool.map(submit, range(threads)))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
