"""Ring 2: a document's forms, HTML, Markdown and pictures, in files."""
