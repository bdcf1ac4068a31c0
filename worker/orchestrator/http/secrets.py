"""What must never be shown, and how a text of the server's is shown without it."""

from collections import deque
from urllib.parse import quote_plus

from pydantic import SecretStr

from worker.settings import Settings

_MOST_TOKENS = 4


class Secrets:
    """Every secret of the settings, and the tokens of late: servers and proxies echo what they got."""

    def __init__(self, settings: Settings) -> None:
        values = (getattr(settings, name) for name in type(settings).model_fields)
        known = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
        forms = {form for secret in known if secret.strip() for form in (secret, quote_plus(secret))}
        self._configured = sorted(forms, key=len, reverse=True)  # one may be a part of another
        self._tokens: deque[str] = deque(maxlen=_MOST_TOKENS)

    def learn(self, token: str) -> None:
        """Conceals *token* too, from now on."""
        if token and token not in self._tokens:
            self._tokens.append(token)

    def masked(self, text: str) -> str:
        """The text with three stars for every secret."""
        for secret in (*self._configured, *self._tokens):
            text = text.replace(secret, "***")
        return text
