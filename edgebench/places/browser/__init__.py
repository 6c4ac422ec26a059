"""A web page as a place: headless Chromium runs files as the page of `edgebench deploy --to web` does."""
