"""The errors of the package.

RagError                    exit 1: the work was tried and failed
├── ConfigurationError      exit 2: a setting, an argument or sources.toml is wrong, or a dependency is missing
├── DatabaseError           exit 1: Postgres could not be started, reached or migrated
│   ├── DatabaseUnavailable exit 1: the connection was lost or the server was busy; a retry may help
│   │   └── DatabaseAway    exit 1: no connection can be had; a retry at once does not help
│   └── Unstorable          exit 1: Postgres refused one document; others can be stored
├── EmbeddingError          exit 1: the embedding model could not be loaded or queried
├── LLMError                exit 1: the language model could not be queried
│   └── ContextTooLong      exit 1: the sources exceed the model's context window
├── ChatError               exit 1: Slack or Discord could not be reached
└── SourceError             exit 1: a source could not be read, and a retry will not help
    └── SourceUnavailable   exit 1: a source could not be read now; a retry may help
        └── SourceBusy      exit 1: another sync of the source is running

A message says what happened, where, and what to do, in one line. Commands catch RagError at the top, print the message
and exit; no other code suppresses it.
"""


class RagError(Exception):
    """The work failed."""

    exit_code = 1
    retryable = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class ConfigurationError(RagError):
    """A setting, an argument or the sources file is wrong."""

    exit_code = 2


class DatabaseError(RagError):
    """Postgres could not be started, reached or migrated."""


class DatabaseUnavailable(DatabaseError):  # noqa: N818 - not named *Error: a condition
    """The connection to Postgres was lost, or the server was busy; a retry may help."""

    retryable = True


class DatabaseAway(DatabaseUnavailable):
    """No connection to Postgres can be had; a retry at once does not help."""


class Unstorable(DatabaseError):  # noqa: N818 - not named *Error: a condition
    """Postgres refused one document; others can be stored."""


class EmbeddingError(RagError):
    """The embedding model could not be loaded or queried."""


class LLMError(RagError):
    """The language model could not be queried."""


class ContextTooLong(LLMError):  # noqa: N818 - not named *Error: a condition
    """The sources exceed the language model's context window."""


class ChatError(RagError):
    """Slack or Discord could not be reached."""


class SourceError(RagError):
    """A source could not be read, and a retry will not help."""


class SourceUnavailable(SourceError):  # noqa: N818 - not named *Error: a condition
    """A source could not be read now; a retry may help."""

    retryable = True


class SourceBusy(SourceUnavailable):
    """Another sync of the source is running."""


def reason_of(error: Exception) -> str:
    """Return why a file cannot be read or written, without the number and the path that Python adds."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
