"""Takes texts on stdin, one JSON string a line, leaves each without private details on stdout: to try the mask on
texts of one's own, before it sees customers'. Nothing is stored."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from conversations.masking import mask


class Command(BaseCommand):
    """`manage.py mask < texts.jsonl`: a line {"text": …, "found": ["card", …]} for each line read."""

    help = "Mask texts: one JSON string a line in, one JSON object a line out. Needs no database."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        for number, line in enumerate(sys.stdin, 1):
            try:
                text = json.loads(line)
            except ValueError:
                text = None
            if not isinstance(text, str):
                raise SystemExit(f'Line {number} is no text. Write each as a JSON string, "like this", on one line.')
            masked = mask(text)
            self.stdout.write(json.dumps({"text": masked.text, "found": masked.found}, ensure_ascii=False))
