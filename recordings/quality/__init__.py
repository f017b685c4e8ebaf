"""Reviews of what was drawn: scorecards, agreement of raters, coaching, figures."""
