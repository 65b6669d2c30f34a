"""From a table of sources.toml to the source that reads it."""

from __future__ import annotations

from rag.errors import ConfigurationError
from rag.settings import DocsConfig, GitHubConfig, Settings, SourceConfig
from rag.sources import Source
from rag.sources.windows import Window
from rag.store.store import Store

__all__ = ["SourceOpener"]


class SourceOpener:
    """Opens the sources of sources.toml."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def config(self, name: str) -> SourceConfig:
        """Return the configuration of a source.

        :raises ConfigurationError: sources.toml has no source of this name
        """
        for config in self._settings.sources:
            if config.name == name:
                return config
        known = ", ".join(config.name for config in self._settings.sources) or "none"
        raise ConfigurationError(f"No source is called {name!r} in {self._settings.sources_path}; there are: {known}.")

    def github_config(self, name: str) -> GitHubConfig:
        """Return the configuration of a GitHub source.

        :raises ConfigurationError: the source is of another kind, or unknown
        """
        config = self.config(name)
        if not isinstance(config, GitHubConfig):
            raise ConfigurationError(f"{name} is a {config.kind} source; only a GitHub source can be backfilled.")
        return config

    def open(self, config: SourceConfig, *, most_removed: float, at_once: int | None = None) -> Source:
        """Return the source of a configuration.

        :param most_removed: the share of the source that one sync may remove, in [0, 1]
        :param at_once: the number of concurrent requests to a docs site
        """
        if isinstance(config, GitHubConfig):
            from rag.sources.github import GitHubSource

            return GitHubSource(
                config,
                self._store,
                token=self._settings.github_key,
                api_url=self._settings.github_api_url,
                most_removed=most_removed,
            )
        if isinstance(config, DocsConfig):
            from rag.sources.docs import DocsSource, Limits

            limits = Limits(concurrency=at_once) if at_once else None
            return DocsSource(config, self._store, limits=limits, most_removed=most_removed)
        from rag.sources.repository import RepositorySource

        return RepositorySource(config, self._store, self._settings.home, most_removed=most_removed)

    def open_window(self, name: str, window: Window | None) -> Source:
        """Return the source that reads one window of a backfill; None: what the windows have left."""
        from rag.sources.github import GitHubWindow

        return GitHubWindow(
            self.github_config(name),
            self._store,
            window,
            token=self._settings.github_key,
            api_url=self._settings.github_api_url,
        )
