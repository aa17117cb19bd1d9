# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Talk to Odoo as one signed-in person, through the calls the web client makes."""

import base64
import http.cookiejar
import json
import time
import urllib.error
import urllib.request
import uuid
from typing import Any


class ServerError(Exception):
    """The server answered a call with an error; the text is its message.

    :ivar name: exception class of the server, such as ``odoo.exceptions.UserError``
    """

    def __init__(self, message: str, name: str = ""):
        super().__init__(message)
        self.name = name


class Odoo:
    """One web session.

    :ivar url: address of the server, without a trailing slash
    :ivar uid: id of the signed-in user, None for a visitor
    """

    def __init__(self, url: str, timeout: float = 300.0):
        self.url = url.rstrip("/")
        self.uid = None
        self.login = ""
        self._timeout = timeout
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies),
            urllib.request.ProxyHandler({}),
        )

    def get(self, path: str) -> tuple[int, str]:
        """Fetch a page and return its status and text."""
        try:
            with self._opener.open(self.url + path, timeout=self._timeout) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf-8", "replace")

    def submit(
        self, path: str, fields: dict[str, str], file: tuple[str, str, bytes]
    ) -> tuple[int, str]:
        """Send a form with a file, as a page does; return status and text.

        :param fields: the form's other fields
        :param file: name of its field, file name, content
        """
        boundary = uuid.uuid4().hex
        field, name, content = file
        parts = [
            f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}'.encode()
            for key, value in fields.items()
        ]
        head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"'
        kind = "Content-Type: application/octet-stream"
        parts.append(f"{head}\r\n{kind}\r\n\r\n".encode() + content)
        body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), p) for p in parts)
        request = urllib.request.Request(
            self.url + path,
            body + f"--{boundary}--\r\n".encode(),
            {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf-8", "replace")

    def jsonrpc(self, path: str, **params: Any) -> Any:
        """Call a JSON-RPC route and return its result.

        :raise ServerError: the server's own message
        """
        body = json.dumps({"jsonrpc": "2.0", "method": "call", "params": params})
        request = urllib.request.Request(
            self.url + path, body.encode(), {"Content-Type": "application/json"}
        )
        with self._opener.open(request, timeout=self._timeout) as answer:
            data = json.load(answer)
        if "error" in data:
            detail = data["error"].get("data") or {}
            raise ServerError(
                detail.get("message") or data["error"].get("message", "unknown error"),
                detail.get("name", ""),
            )
        return data.get("result")

    def sign_in(self, database: str, login: str, password: str) -> "Odoo":
        """Open the session and return it.

        :raise ServerError: wrong database, login or password
        """
        result = self.jsonrpc(
            "/web/session/authenticate", db=database, login=login, password=password
        )
        self.uid, self.login = result["uid"], login
        return self

    def call(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a public model method; records are passed as a list of ids first."""
        return self.jsonrpc(
            f"/web/dataset/call_kw/{model}/{method}",
            model=model,
            method=method,
            args=list(args),
            kwargs=kwargs,
        )

    def run_job(self, job: str) -> None:
        """Run a scheduled job now, after the server's own run of it if there is one.

        :param job: external id
        :raise ServerError: the server's own message
        """
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                self.call("ir.cron", "method_direct_trigger", [self.ref(job)])
                return
            except ServerError as error:
                if "already executing" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def search(self, model: str, domain: list, **options: Any) -> list[int]:
        """Return the ids of the records of a domain."""
        return self.call(model, "search", domain, **options)

    def count(self, model: str, domain: list) -> int:
        """Return how many records a domain has."""
        return self.call(model, "search_count", domain)

    def rows(
        self, model: str, domain: list, fields: list[str], **options
    ) -> list[dict]:
        """Return fields of the records of a domain."""
        return self.call(model, "search_read", domain, fields, **options)

    def row(self, model: str, record_id: int, fields: list[str]) -> dict:
        """Return fields of one record."""
        return self.call(model, "read", [record_id], fields)[0]

    def create(self, model: str, values: dict | list, **options: Any) -> Any:
        """Create one record, or several, and return the id or ids."""
        many = isinstance(values, list)
        ids = self.call(model, "create", values if many else [values], **options)
        return ids if many else ids[0]

    def write(self, model: str, record_id: int, values: dict) -> None:
        """Write values on one record."""
        self.call(model, "write", [record_id], values)

    def ref(self, xml_id: str) -> int:
        """Return the record id of an XML id.

        :raise ServerError: there is none, or the user may not see it
        """
        _model, record_id = self.call(
            "ir.model.data", "check_object_reference", *xml_id.split(".", 1)
        )
        return record_id

    def file(self, model: str, record_id: int, field: str) -> bytes:
        """Return the content of a binary field."""
        return base64.b64decode(self.row(model, record_id, [field])[field] or b"")

    def link(self, path: str, record_id: int | str = "") -> str:
        """Return the address of an action, or of a record in it, in the web client.

        :param path: path of the action, such as ``saas-billing-runs``
        """
        return f"{self.url}/odoo/{path}/{record_id}".rstrip("/")


def wait_for(check, seconds: float, pause: float = 0.5):
    """Return the first true value of ``check()``, or its last one after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(pause)
