"""The page: pick a user, see the movies, click and watch the list change."""
