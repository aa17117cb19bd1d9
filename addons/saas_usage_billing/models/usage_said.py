# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Words for people that come out of code without a language."""

from odoo.tools.translate import LazyGettext

_MODULE = "saas_usage_billing"


class Said(str):
    """English words that can be said in other languages, too: ``text``.

    For what goes where a plain text is kept or answered.
    """

    def __new__(cls, text: LazyGettext):
        """Say a text in English.

        :param text: for ``env._`` to translate
        """
        said = super().__new__(cls, text._translate("en_US"))
        said.text = text
        return said


def store_said(words: str) -> dict | None:
    """Return what has to be kept to say words in other languages later.

    :param words: :class:`Said`, else there is nothing: None
    """
    if not isinstance(words, Said):
        return None
    text = words.text
    args = {
        name: value if isinstance(value, str | int) else str(value)
        for name, value in dict(text._args).items()
    }
    return {"source": text._source, "args": args}


def say_stored(env, stored: dict) -> str:
    """Return words in the language of the reader.

    :param dict stored: see :func:`store_said`
    """
    return env._(LazyGettext(stored["source"], _module=_MODULE, **stored["args"]))


class SaidError(Exception):
    """An error in words for people: ``text``, for ``env._`` to translate.

    As a string it is English.
    """

    def __init__(self, text: LazyGettext):
        super().__init__()
        self.text = text

    def __str__(self):
        return Said(self.text)
