#!/usr/bin/env python3
# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Send usage events to the SaaS usage API. One file, needs ``requests``; copy it.

    with UsageClient("https://odoo.example.com", KEY, "app.example.com") as usage:
        usage.send("api.request", "tenant-42", {"bytes": 512})

Events are collected and sent in gzipped batches by size and age from a thread. What
the server did not take (429, 5xx, no connection) is sent again, the same bytes each
time: the server knows an event by its source and id, so that nothing counts twice.
"""

import gzip
import json
import logging
import os
import queue
import random
import threading
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import requests

__all__ = ["Refused", "UsageClient", "UsageClientError"]

PATH = "/saas/v1/usage/events"
CONTENT_TYPE = "application/cloudevents-batch+json"
#: The longest pause between two attempts, in seconds, unless the server asks for more.
MAX_PAUSE = 60.0
_FIRST_PAUSE = 0.5
_END = object()
_logger = logging.getLogger(__name__)


class UsageClientError(Exception):
    """Events could not be delivered; ``events`` has them."""

    def __init__(self, message, events=()):
        super().__init__(message)
        self.events = list(events)


class Refused(UsageClientError):
    """The server refused a request: sending it again would not help.

    :ivar status: HTTP status
    :ivar code: ``error.code`` of the answer
    """

    def __init__(self, status, code, message, events=()):
        super().__init__(f"{status} {code}: {message}", events)
        self.status = status
        self.code = code


class UsageClient:
    """Collect usage events and send them in batches; safe for many threads.

    :param str url: root of the server
    :param str key: API key of a user with the role Integration
    :param str source: code of the usage source
    :param int batch_size: events a request, up to 10,000
    :param float max_wait: seconds an event waits for others
    :param float timeout: seconds to connect, and to wait for an answer
    :param int retries: attempts after the first one, per batch
    :param on_problem: called with the event and its entry of the answer for each event
        that was quarantined or rejected; default: a warning in the log
    :param int capacity: events that may wait; ``send`` blocks when it is reached
    """

    def __init__(
        self,
        url,
        key,
        source,
        batch_size=1000,
        max_wait=2.0,
        timeout=30,
        retries=8,
        on_problem=None,
        capacity=100_000,
    ):
        if not 0 < batch_size <= 10_000:
            raise ValueError("batch_size must be between 1 and 10000")
        self.url = url.rstrip("/") + PATH
        self.source = source
        self.batch_size = batch_size
        self.max_wait = max_wait
        self.timeout = timeout
        self.retries = retries
        self.on_problem = on_problem or _log_problem
        self._queue = queue.Queue(capacity)
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        # Nothing may be queued behind the end.
        self._gate = threading.Lock()
        self._lock = threading.Lock()
        self._failure = None
        self._closed = False
        self._worker = threading.Thread(target=self._run, daemon=True)
        self._worker.start()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    # ------------------------------------------------------------------
    # For everybody
    # ------------------------------------------------------------------
    def send(self, event_type, subject, data=None, id=None, time=None):  # noqa: A002
        """Queue an event; blocks while too many wait.

        :param str event_type: as a meter of the server names it
        :param str subject: who used it, as an external id of the server names it
        :param dict data: flat: text, numbers, true or false; ``Decimal`` keeps digits
        :param str id: unique within the source; default a new UUIDv7
        :param time: aware datetime, or text of RFC 3339, sent as it is; default now
        :return: id of the event
        :raise UsageClientError: an earlier batch failed, or the client is closed
        """
        return self._send(event_type, subject, data, id, time)

    def void(self, target, id=None):  # noqa: A002
        """Queue that an event counts no more, also one that was not sent yet.

        :param str target: id of the event
        :param str id: of this correction; default a new one
        :return: id of this correction
        :raise UsageClientError: see ``send``
        """
        return self._put(
            {
                "specversion": "1.0",
                "id": id or make_id(),
                "source": self.source,
                "voids": target,
            }
        )

    def replace(self, target, event_type, subject, data=None, **options):
        """Queue an event that counts in place of another one.

        :param str target: id of the event that counts no more
        :param options: ``id`` and ``time`` of this event, the others see ``send``
        :return: id of this event
        :raise UsageClientError: see ``send``
        """
        return self._send(event_type, subject, data, replaces=target, **options)

    def _send(self, event_type, subject, data, id=None, time=None, **more):  # noqa: A002
        if time is None:
            time = datetime.now(timezone.utc)
        if not isinstance(time, str):
            if time.tzinfo is None:
                raise ValueError("time needs a time zone")
            time = time.astimezone(timezone.utc).isoformat()
        event = {
            "specversion": "1.0",
            "id": id or make_id(),
            "source": self.source,
            "type": event_type,
            "subject": subject,
            "time": time,
        }
        if data is not None:
            event["data"] = data
        return self._put(event | more)

    def _put(self, event):
        # Written now: what the caller changes later is another event, and what cannot
        # be written is the caller's to know.
        text = json.dumps(event, separators=(",", ":"), default=_write_number)
        with self._gate:
            self._check()
            self._queue.put(text)
        return event["id"]

    def flush(self):
        """Return when everything queued so far was delivered.

        :raise UsageClientError: a batch failed; it has the events
        """
        done = threading.Event()
        with self._gate:
            if not self._closed:
                self._queue.put(done)
        while not done.wait(0.1):
            if not self._worker.is_alive():
                break
        self._raise_failure()

    def close(self):
        """Deliver what waits and end; harmless the second time.

        :raise UsageClientError: a batch failed; it has the events
        """
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._queue.put(_END)
        self._worker.join()
        self._session.close()
        self._raise_failure()

    def _check(self):
        if self._closed:
            raise UsageClientError("The client is closed.")
        self._raise_failure()

    def _raise_failure(self):
        with self._lock:
            failure, self._failure = self._failure, None
        if failure:
            raise failure

    # ------------------------------------------------------------------
    # In the thread
    # ------------------------------------------------------------------
    def _run(self):
        batch, deadline, item = [], None, None
        while item is not _END:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                item = self._queue.get(timeout=wait)
            except queue.Empty:
                item = None
            if isinstance(item, str):
                batch.append(item)
                deadline = deadline or time.monotonic() + self.max_wait
            is_due = deadline is not None and time.monotonic() >= deadline
            if batch and (
                not isinstance(item, str) or is_due or len(batch) >= self.batch_size
            ):
                self._deliver(batch)
                batch, deadline = [], None
            if isinstance(item, threading.Event):
                item.set()

    def _deliver(self, batch):
        """Send a batch; a failure is kept for the next call of the caller."""
        try:
            answer = self._post(gzip.compress(("[" + ",".join(batch) + "]").encode()))
        except UsageClientError as error:
            error.events = [json.loads(text) for text in batch]
            self._keep(error)
            return
        for entry in answer.get("events", ()):
            if entry["status"] in ("quarantined", "rejected"):
                self._tell(json.loads(batch[entry["index"]]), entry)

    def _tell(self, event, entry):
        try:
            self.on_problem(event, entry)
        except Exception:
            # The caller's callback must not stop the delivery of the others.
            _logger.exception("on_problem failed for event %s", event["id"])

    def _keep(self, error):
        with self._lock:
            if self._failure is None:
                self._failure = error
            else:
                # One error tells of everything that was not delivered.
                self._failure.events += error.events
        _logger.error("Usage was not delivered: %s", error)

    def _post(self, body):
        """Send the same bytes until the server has answered them.

        :return: the answer, decoded
        :raise UsageClientError: all attempts failed, or it was refused
        """
        problem, pause = "", 0.0
        for attempt in range(self.retries + 1):
            time.sleep(pause)
            try:
                answer = self._session.post(
                    self.url,
                    data=body,
                    headers={"Content-Type": CONTENT_TYPE, "Content-Encoding": "gzip"},
                    timeout=self.timeout,
                )
                if answer.status_code == 200:
                    return answer.json()
            except (requests.RequestException, ValueError) as error:
                # ValueError: an answer cut off, or of something in between.
                problem, pause = repr(error), make_pause(attempt)
                continue
            problem = f"{answer.status_code} {answer.text[:200]}"
            refused = _read_refusal(answer)
            if refused:
                raise refused
            asked = read_retry_after(answer.headers.get("Retry-After"))
            pause = max(asked, make_pause(attempt))
        raise UsageClientError(f"Gave up after {self.retries + 1} attempts: {problem}")


# ----------------------------------------------------------------------
# Pieces
# ----------------------------------------------------------------------
def make_id():
    """Return a new UUIDv7: ordered by time, which databases like in their keys."""
    stamp = time.time_ns() // 1_000_000
    value = bytearray(stamp.to_bytes(6, "big") + os.urandom(10))
    value[6] = 0x70 | value[6] & 0x0F
    value[8] = 0x80 | value[8] & 0x3F
    text = value.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def make_pause(attempt):
    """Return a random pause in seconds, longer with each attempt (full jitter)."""
    return random.uniform(0, min(MAX_PAUSE, _FIRST_PAUSE * 2**attempt))


def read_retry_after(value):
    """Return the seconds a server asks to wait: a number or a date; else 0.

    :param value: header, or None
    """
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


def _read_refusal(answer):
    """Return what the API refused for good; None when it is worth another attempt.

    What something else answered in its place is: a proxy, or a server that has no
    database for a moment and knows no such page.
    """
    if answer.status_code == 429 or answer.status_code >= 500:
        return None
    try:
        error = answer.json()["error"]
        return Refused(answer.status_code, error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        return None


def _write_number(value):
    # Decimal and whatever else has digits: the server reads them from text, too.
    if type(value).__name__ == "Decimal":
        return str(value)
    raise TypeError(f"not JSON: {type(value)}")


def _log_problem(event, entry):
    _logger.warning(
        "Usage event %s: %s %s", event["id"], entry["code"], entry["message"]
    )
