"""Study of results: per-image AP, where AP is lost, comparison, report."""
