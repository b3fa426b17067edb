"""Checks bills of materials against CycloneDX's own schema: check-bills.py FILE..."""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

validator = JsonStrictValidator(SchemaVersion.V1_6)
errors = [(file, validator.validate_str(Path(file).read_text())) for file in sys.argv[1:]]
for file, error in errors:
    print(f"{file}: {'valid' if error is None else str(error)[:2000]}")
sys.exit(any(error is not None for _, error in errors))
