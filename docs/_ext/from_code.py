"""The directive ``from-code``: pages of the reference that are read off the package itself.

    ```{from-code} tables
    ```

Each topic is a function of :mod:`topics` that returns Markdown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import topics
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx


class FromCode(SphinxDirective):
    """Parses what a topic's function returns in the directive's place."""

    required_arguments = 1
    optional_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the topic; a topic that is not there is an error of the build."""
        name, *arguments = self.arguments
        if name not in topics.TOPICS:
            message = f"no topic {name!r}: there are {', '.join(topics.TOPICS)}"
            raise self.error(message)
        markdown = topics.TOPICS[name](*arguments)
        return self.parse_text_to_nodes(markdown, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("from-code", FromCode)
    return {"parallel_read_safe": True, "version": "1"}
