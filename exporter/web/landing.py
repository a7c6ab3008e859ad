"""The page that a browser shows at ``/``."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from string import Template

from exporter import __version__

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>opengauss-cm-exporter</title>
<style>body { font-family: sans-serif; margin: 3em; line-height: 1.6 }</style>
</head>
<body>
<h1>opengauss-cm-exporter</h1>
<p>Who holds the ports of this node's openGauss cluster. Version $version.</p>
<ul>
$links
</ul>
</body>
</html>
""")


def landing_page(links: Mapping[str, str]) -> bytes:
    """Write the page with a link for each path; paths and texts are escaped."""
    items = (
        f'<li><a href="{escape(path)}">{escape(text)}</a></li>' for path, text in links.items()
    )
    return _PAGE.substitute(version=escape(__version__), links="\n".join(items)).encode()
