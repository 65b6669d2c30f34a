"""Every error a user can meet.

RagError                    exit 1: the work was tried and failed
├── ConfigurationError      exit 2: a setting, an argument or sources.toml is wrong, or something is missing
├── DatabaseError           exit 1: Postgres could not be started, reached or migrated
├── EmbeddingError          exit 1: the embedding model could not be loaded or asked
├── LLMError                exit 1: the language model could not be asked
│   └── ContextTooLong      exit 1: the sources do not fit into the model's window
└── SourceError             exit 1: a source could not be read, and trying again will not help
    └── SourceUnavailable   exit 1: a source could not be read now; trying again may help
        └── SourceBusy      exit 1: another sync of the source is running

A message says what happened, where, and what to do. Commands catch RagError at the top, print its one
line and exit; nothing else catches it to go on quietly.
"""


class RagError(Exception):
    """Something went wrong."""

    exit_code = 1
    retryable = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class ConfigurationError(RagError):
    """A setting, an argument or the sources file is wrong."""

    exit_code = 2


class DatabaseError(RagError):
    """Postgres could not be started, reached or migrated."""


class EmbeddingError(RagError):
    """The embedding model could not be loaded or asked."""


class LLMError(RagError):
    """The language model could not be asked."""


class ContextTooLong(LLMError):  # noqa: N818 - "too long" says it
    """The sources do not fit into the language model's window."""


class SourceError(RagError):
    """A source could not be read, and trying again will not help."""


class SourceUnavailable(SourceError):  # noqa: N818 - "unavailable" says it
    """A source could not be read now; trying again may help."""

    retryable = True


class SourceBusy(SourceUnavailable):
    """Another sync of the source is running."""
