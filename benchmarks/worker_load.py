"""The clients of the load test, in one process of their own: as many connections as wanted, each asking when answered.

One job as JSON on standard input: `port`, `key`, `secret`, `operation`, `photos` (paths), `extra` (other members),
`labelled` (a label of its own for each request), `clients`, `requests`. The answer on standard output: the seconds of
each request, the status of those that did not succeed, and the wall time of all.

Requests are written to the socket by hand: a client library takes more CPU than the server's part of a request.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def main() -> None:
    print(json.dumps(asyncio.run(load(json.load(sys.stdin)))))


async def load(job: Job) -> Job:
    photos = [base64.b64encode(Path(path).read_bytes()).decode() for path in job["photos"]]
    numbers = count()
    seconds: list[float] = []
    failed: list[int] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", job["port"])
        while (number := next(numbers)) < job["requests"]:
            request = signed(job, body(job, photos[number % len(photos)], number))
            started = time.perf_counter()
            writer.write(request)
            status = await answered(reader)
            seconds.append(time.perf_counter() - started)
            if status != 200:
                failed.append(status)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(job["clients"])))
    return {"seconds": seconds, "failed": failed, "wall_s": time.perf_counter() - started}


def body(job: Job, photo: str, number: int) -> bytes:
    label = {"ExternalImageId": f"{job['clients']}-{number}"} if job["labelled"] else {}
    return json.dumps({"Image": {"Bytes": photo}} | job["extra"] | label).encode()


def signed(job: Job, payload: bytes) -> bytes:
    """A whole HTTP request, signed by SigV4."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": f"127.0.0.1:{job['port']}",
        "x-amz-date": stamp,
        "x-amz-target": f"RekognitionService.{job['operation']}",
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(payload).hexdigest()}"
    scope = f"{stamp[:8]}/us-east-1/rekognition/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{job['secret']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={job['key']}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    headers["content-length"] = str(len(payload))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + payload


async def answered(reader: asyncio.StreamReader) -> int:
    """Reads an answer to its end; returns its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    length = next(int(line.partition(":")[2]) for line in head if line.lower().startswith("content-length"))
    await reader.readexactly(length)
    return int(head[0].split()[1])


if __name__ == "__main__":
    main()
