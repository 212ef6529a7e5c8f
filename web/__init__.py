"""The web page: compare engines' suggestions for a user and see how events change them."""
