"""The branded short link: a locator that opens nothing by itself and does not know why it exists."""
