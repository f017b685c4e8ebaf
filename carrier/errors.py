"""The error answers of the REST API (docs/twilio.md 1.7)."""

from typing import Any


class ApiError(Exception):
    """An answer `{"code", "message", "more_info", "status"}`; never with `type` and `title`, which the SDK
    reads as another kind of error."""

    def __init__(self, status: int, code: int, message: str, detail: str = "") -> None:
        super().__init__(f"{code} {message}")
        self.status, self.code, self.message, self.detail = status, code, message, detail

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        body: dict[str, Any] = {"code": self.code}
        if self.detail:
            body["detail"] = self.detail
        body["message"] = self.message
        body["more_info"] = f"https://www.twilio.com/docs/errors/{self.code}"
        body["status"] = self.status
        return body


def bad(code: int, message: str) -> ApiError:
    """A request that is refused: HTTP 400."""
    return ApiError(400, code, message)


def not_found(path: str) -> ApiError:
    """404/20404 for a resource that does not exist."""
    return ApiError(404, 20404, f"The requested resource {path} was not found")


def unauthorized() -> ApiError:
    """401/20003 for missing or wrong credentials."""
    return ApiError(401, 20003, "Authenticate", "Your AccountSid or AuthToken was incorrect.")


def too_many() -> ApiError:
    """429/20429: never processed, safe to repeat (docs/twilio.md 1.8)."""
    return ApiError(429, 20429, "Too Many Requests")


def not_in_progress() -> ApiError:
    """400/21220 for an order to a call that is not in the state for it (docs/twilio.md 1.3)."""
    return bad(21220, "Call is not in-progress. Cannot redirect.")
