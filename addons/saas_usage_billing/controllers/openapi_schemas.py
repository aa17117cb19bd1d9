# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Schemas of the bodies of the usage API, for its OpenAPI document."""

from ..engine.event import SPEC_VERSION, EventLimits
from ..models.usage_result import DUPLICATE, QUARANTINED, REJECTED, STORED

_LIMITS = EventLimits()
_TEXT = {"type": "string", "minLength": 1, "maxLength": _LIMITS.max_length}
_TIME = {"type": "string", "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0}
_NUMBER_OR_NONE = {"type": ["integer", "null"]}


def ref(name: str) -> dict:
    """Return a reference to a schema of the document.

    :param name: its name
    """
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties, required=None, **more):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        **more,
    }


_TARGET = {**_TEXT, "type": ["string", "null"]}
VOID = _object(
    {
        "specversion": {"const": SPEC_VERSION},
        "id": _TEXT,
        "source": _TEXT,
        "voids": {
            **_TEXT,
            "description": "Id of an event of the source that counts no more.",
        },
        "replaces": {"type": "null"},
    },
    required=["id", "source", "voids"],
)
EVENT = _object(
    {
        "specversion": {"const": SPEC_VERSION},
        "id": _TEXT,
        "source": _TEXT,
        "voids": {"type": "null"},
        "replaces": {
            **_TARGET,
            "description": "Id of an event of the source this one counts instead of.",
        },
        "type": _TEXT,
        "subject": _TEXT,
        "time": _TIME,
        "data": {
            "type": ["object", "null"],
            "maxProperties": _LIMITS.max_properties,
            "additionalProperties": {
                "type": ["string", "number", "boolean", "null"],
                "maxLength": _LIMITS.max_property_length,
            },
        },
        "value": {
            "type": ["number", "string"],
            "description": "In place of data.value.",
        },
    },
    required=["id", "source", "type", "subject", "time"],
)
_OUTCOME = _object(
    {
        "index": _COUNT,
        "id": {"type": ["string", "null"]},
        "status": {"enum": [STORED, DUPLICATE, QUARANTINED, REJECTED]},
        "code": {"type": "string"},
        "message": {"type": "string"},
    }
)
INGESTED = _object(
    {
        **dict.fromkeys(
            ("received", "stored", "duplicate", "quarantined", "rejected"), _COUNT
        ),
        "batch_id": _NUMBER_OR_NONE,
        "batch_ids": {
            "type": "array",
            "items": _object(
                {
                    "source": {"type": ["string", "null"]},
                    "batch_id": {"type": "integer"},
                }
            ),
        },
        "correlation_id": {"type": "string"},
        "dry_run": {"type": "boolean"},
        "events": {"type": "array", "items": _OUTCOME},
    },
    description="received = stored + duplicate + quarantined",
)
ERROR = _object(
    {"error": _object({"code": {"type": "string"}, "message": {"type": "string"}})}
)
STRICT = {"allOf": [ref("Ingested"), ref("Error")]}
STATUS = _object(
    {
        "source": {"type": "string"},
        "id": {"type": "string"},
        "status": {"enum": [STORED, QUARANTINED]},
        "event_time": _TIME,
        "stored_at": {"type": ["string", "null"], "format": "date-time"},
        "batch_id": _NUMBER_OR_NONE,
        "voided": {
            "type": "boolean",
            "description": "It was taken back and counts no more.",
        },
        "replaced_by": {
            "type": ["string", "null"],
            "description": "Id of the event that counts instead.",
        },
        "code": {"type": "string"},
        "message": {"type": "string"},
    },
    required=["source", "id", "status"],
)
WATERMARK = _object({"source": _TEXT, "complete_until": _TIME})
_USED = _object(
    {
        "meter": {"type": "string"},
        "name": {"type": "string"},
        "unit": {"type": ["string", "null"]},
        # Of the meter's dimensions, when the price is for some only.
        "values": {"type": "object"},
        "period_start": {"type": "string", "format": "date"},
        "period_end": {"type": "string", "format": "date"},
        "quantity": {"type": "string"},
        "amount": {"type": ["string", "null"]},
        "days": {
            "type": "array",
            "description": "With days=1: each day so far.",
            "items": _object(
                {
                    "day": {"type": "string", "format": "date"},
                    "quantity": {"type": "string"},
                }
            ),
        },
    },
    required=["meter", "quantity"],
)
_WALLET = _object(
    {
        "name": {"type": "string"},
        "currency": {"type": "string"},
        "balance": {"type": "string", "description": "Not yet used by invoices."},
        "live_balance": {
            "type": "string",
            "description": "Less usage that is not invoiced yet; may be below zero.",
        },
        "expires_on": {
            "type": ["string", "null"],
            "format": "date",
            "description": "Day on which the next part of it is no longer there.",
        },
        "expiring": {"type": ["string", "null"], "description": "How much that is."},
    }
)
CURRENT = _object(
    {
        "subscription": {"type": "string"},
        "state": {"type": "string"},
        "currency": {"type": "string"},
        "amount": {"type": ["string", "null"]},
        "usage": {"type": "array", "items": _USED},
        "wallets": {
            "type": "array",
            "description": "Prepaid credit that pays for it; none with wallets=0.",
            "items": _WALLET,
        },
    },
    required=["subscription", "state", "currency", "usage"],
)
_FEATURE = _object(
    {
        "code": {"type": "string"},
        "kind": {"enum": ["flag", "limit", "metered", "text"]},
        "granted": {"type": "boolean"},
        "value": {"type": ["string", "null"], "description": "Of kind text."},
        "limit": {"type": ["string", "null"], "description": "Null: there is none."},
        "used": {"type": ["string", "null"], "description": "In this period so far."},
        "remaining": {"type": ["string", "null"]},
        "overage": {"enum": ["soft", "hard", None]},
        "resets_at": {"type": ["string", "null"], "format": "date-time"},
    }
)
ENTITLED = _object(
    {
        "subject": {"type": "string"},
        "account_standing": {"type": "string"},
        "subscriptions": {
            "type": "array",
            "items": _object(
                {
                    "subscription": {"type": "string"},
                    "state": {"type": "string"},
                    "features": {"type": "array", "items": _FEATURE},
                }
            ),
        },
        "wallets": {
            "type": "array",
            "description": "With wallets=1: prepaid credit of the account.",
            "items": _WALLET,
        },
    },
    required=["subject", "account_standing", "subscriptions"],
)
