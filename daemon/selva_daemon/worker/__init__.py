"""The process that renders, and what it keeps on disk: caches of sound and of what models see, stems in the user's folders."""
