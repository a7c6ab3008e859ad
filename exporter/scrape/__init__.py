"""One scrape: the declared metrics, the guard around each collector, the text of a page."""
