# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Taking in files: what they may be, and the version they become."""

import hashlib
import io
import os
import re
import unicodedata
import zipfile
from datetime import datetime, timedelta

from odoo import fields, models
from odoo.tools.osutil import clean_filename

from ..exceptions import OnboardingDocumentError

MAX_NAME = 120
MEGABYTE = 1024 * 1024
PARAM_SIZE = "saas_subscription_ops.document_max_mb"
PARAM_TYPES = "saas_subscription_ops.document_extensions"
DEFAULT_MAX_MB = 25
#: Versions of one document the portal takes within 24 hours. Every one is kept for ever
#: and somebody is told of it: more than this is no correction but a flood.
MAX_PORTAL_VERSIONS = 10

_OPENXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
# What is known by its content: extension -> (MIME type, kind of check, argument).
KNOWN_TYPES = {
    "pdf": ("application/pdf", "magic", (b"%PDF-",)),
    "png": ("image/png", "magic", (b"\x89PNG\r\n\x1a\n",)),
    "jpg": ("image/jpeg", "magic", (b"\xff\xd8\xff",)),
    "jpeg": ("image/jpeg", "magic", (b"\xff\xd8\xff",)),
    "docx": (f"{_OPENXML}wordprocessingml.document", "member", "word/"),
    "xlsx": (f"{_OPENXML}spreadsheetml.sheet", "member", "xl/"),
    "pptx": (f"{_OPENXML}presentationml.presentation", "member", "ppt/"),
    "odt": (f"{_ODF}text", "mimetype", f"{_ODF}text"),
    "ods": (f"{_ODF}spreadsheet", "mimetype", f"{_ODF}spreadsheet"),
    "odp": (f"{_ODF}presentation", "mimetype", f"{_ODF}presentation"),
    "zip": ("application/zip", "member", ""),
    "csv": ("text/csv", "text", None),
    "txt": ("text/plain", "text", None),
}
DEFAULT_TYPES = "pdf,png,jpg,jpeg,docx,xlsx,pptx,odt,ods,odp,csv,txt,zip"
# Invisible and text-turning characters that make a name look like another one.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_MARKUP = re.compile(rb"^\s*<|<\s*(?:script|html|svg|!doctype|\?xml)", re.IGNORECASE)


class SaasOnboardingDocument(models.Model):
    _inherit = "saas.onboarding.document"

    def _add_version(self, file_name: str, content: bytes, from_portal: bool = False):
        """Take in a file as the newest version, to be reviewed.

        The content that waits for review already is the version it is. A version that
        still waited is replaced by another one, and kept.

        :param str file_name: name as sent, sanitised here
        :param bytes content: the file
        :param bool from_portal: the customer sent it
        :return: ``saas.onboarding.document.version``
        :raise OnboardingDocumentError: type, size or content not allowed, or the same
            file was refused before, or too many from the portal
        :raise TransitionError: the document is settled
        """
        self.ensure_one()
        self._check_step()
        allowed = {"requested", "received", "refused"}
        self._check_state(allowed if from_portal else {"draft", *allowed}, "received")
        name, mimetype = self._check_file(file_name, content)
        checksum = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        known = self._find_version(checksum)
        if known:
            return known
        at = fields.Datetime.now()
        if from_portal:
            self._check_portal_limit(at)
        self.version_ids.filtered(lambda one: one.state == "pending")._supersede()
        version = self._create_version(name, mimetype, content, checksum, from_portal)
        if not self._set_state(allowed | {"draft"}, "received", at, received_at=at):
            self.sudo().received_at = at  # sudo: see _set_state
        self._emit("onboarding.document_received", version)
        return version

    def _check_portal_limit(self, at: datetime):
        """Refuse more versions from the portal than anybody can look at.

        :param datetime at: naive UTC moment of the upload
        :raise OnboardingDocumentError: too many within 24 hours
        """
        since = at - timedelta(days=1)
        recent = self.version_ids.filtered(
            lambda one: one.is_from_portal and one.uploaded_at > since
        )
        if len(recent) >= MAX_PORTAL_VERSIONS:
            raise OnboardingDocumentError(
                self.env._(
                    "%(name)s was uploaded %(count)s times within a day. We look at "
                    "the last file first: upload another one tomorrow, or write to "
                    "your contact.",
                    name=self.name,
                    count=len(recent),
                )
            )

    def _find_version(self, checksum: str):
        """Return the version to review if it has this very content.

        :param str checksum: SHA-1 of the content
        :raise OnboardingDocumentError: this content was refused before
        """
        known = self.version_ids.filtered(lambda one: one.checksum == checksum)
        refused = known.filtered(lambda one: one.state == "refused")[:1]
        if refused:
            raise OnboardingDocumentError(
                self.env._(
                    "This is the very file that was refused as version %(number)s: "
                    "%(reason)s Please send a corrected one.",
                    number=refused.number,
                    reason=refused.reason,
                )
            )
        return known.filtered(lambda one: one.state == "pending")

    def _create_version(self, name, mimetype, content, checksum, from_portal):
        # sudo: versions and their files are written here only
        version = (
            self.env["saas.onboarding.document.version"]
            .sudo()
            .create(
                {
                    "document_id": self.id,
                    "number": self.version_count + 1,
                    "file_name": name,
                    "file_size": len(content),
                    "checksum": checksum,
                    "uploaded_by_id": self.env.uid,
                    "uploaded_at": fields.Datetime.now(),
                    "is_from_portal": from_portal,
                }
            )
        )
        version.attachment_id = (
            self.env["ir.attachment"]
            .sudo()  # sudo: as above
            .with_context(image_no_postprocess=True)
            .create(
                {
                    "name": name,
                    "raw": content,
                    "mimetype": mimetype,
                    "res_model": version._name,
                    "res_id": version.id,
                    "company_id": self.company_id.id,
                }
            )
        )
        return version.sudo(self.env.su)

    # ------------------------------------------------------------------
    # What files may be
    # ------------------------------------------------------------------
    def _get_max_bytes(self) -> int:
        """Return how large a file may be, in bytes."""
        # sudo: a limit is no secret, portal users can't read parameters
        value = self.env["ir.config_parameter"].sudo().get_param(PARAM_SIZE)
        try:
            megabytes = float(value or DEFAULT_MAX_MB)
        except ValueError:
            megabytes = DEFAULT_MAX_MB
        return int((megabytes if megabytes > 0 else DEFAULT_MAX_MB) * MEGABYTE)

    def _get_extensions(self) -> list[str]:
        """Return the allowed extensions, of those whose content can be checked."""
        # sudo: see _get_max_bytes
        value = self.env["ir.config_parameter"].sudo().get_param(PARAM_TYPES)
        wanted = re.split(r"[\s,;.]+", (value or DEFAULT_TYPES).lower())
        return [one for one in wanted if one in KNOWN_TYPES]

    def _check_file(self, file_name: str, content: bytes) -> tuple[str, str]:
        """Check a file by size, extension and content.

        :return: sanitised name and MIME type
        :raise OnboardingDocumentError: not allowed, with what is
        """
        name = self._sanitise_name(file_name)
        limit = self._get_max_bytes()
        if not content:
            raise OnboardingDocumentError(
                self.env._("The file %(name)s is empty. Choose another one.", name=name)
            )
        if len(content) > limit:
            # How large it is stays open: the portal reads no further than the limit.
            raise OnboardingDocumentError(
                self.env._(
                    "The file %(name)s is too large: at most %(limit)g MB are "
                    "possible. Compress it, for example as a ZIP file, or ask the "
                    "project manager how to send it.",
                    name=name,
                    limit=round(limit / MEGABYTE, 2),
                )
            )
        extension = os.path.splitext(name)[1].lstrip(".").lower()
        allowed = self._get_extensions()
        if extension not in allowed:
            raise OnboardingDocumentError(
                self.env._(
                    "Files like %(name)s can't be taken. Possible are: %(allowed)s.",
                    name=name,
                    allowed=", ".join(allowed),
                )
            )
        mimetype, kind, argument = KNOWN_TYPES[extension]
        if not _CHECKS[kind](content, argument):
            raise OnboardingDocumentError(
                self.env._(
                    "The content of %(name)s is not that of a %(extension)s file. Save "
                    "it again in that format, then upload it.",
                    name=name,
                    extension=extension.upper(),
                )
            )
        return name, mimetype

    def _sanitise_name(self, file_name: str) -> str:
        """Return a harmless file name: no path, nothing unseen, not too long.

        :raise OnboardingDocumentError: nothing is left of it
        """
        name = unicodedata.normalize("NFC", file_name or "")
        name = re.split(r"[/\\]", name)[-1]
        name = "".join(c for c in name if unicodedata.category(c) not in _UNSEEN)
        stem, extension = os.path.splitext(name.strip())
        stem = clean_filename(stem).strip(" .")[:MAX_NAME]
        extension = re.sub(r"[^A-Za-z0-9.]", "", extension)[:12]
        if not stem or len(extension) < 2:
            raise OnboardingDocumentError(
                self.env._(
                    "Choose a file whose name ends with its type, for example "
                    "contract.pdf."
                )
            )
        return stem + extension


def _has_magic(content: bytes, starts: tuple) -> bool:
    return content.startswith(starts)


def _list_members(content: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return []


def _has_member(content: bytes, prefix: str) -> bool:
    if not content.startswith(b"PK\x03\x04"):
        return False
    names = _list_members(content)
    if prefix and "[Content_Types].xml" not in names:
        return False
    return any(name.startswith(prefix) for name in names)


def _has_mimetype(content: bytes, mimetype: str) -> bool:
    # OpenDocument stores its type first and uncompressed, at a fixed place.
    return content.startswith(b"PK\x03\x04") and content[30:].startswith(
        b"mimetype" + mimetype.encode()
    )


def _is_plain_text(content: bytes, _argument) -> bool:
    return b"\0" not in content and not _MARKUP.search(content)


_CHECKS = {
    "magic": _has_magic,
    "member": _has_member,
    "mimetype": _has_mimetype,
    "text": _is_plain_text,
}
