"""Ways to fool oneself, each shown on a real run: what it looks like, what is true, and what tells of it.

    python -m benchmarks.pitfalls --data ../shared/data --out docs/pictures

One file a pitfall. Each measures, and draws one picture of it for docs/learning.md.
"""
