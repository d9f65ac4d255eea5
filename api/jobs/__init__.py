"""Jobs of a tenant as it sees them: how far they are, cancelling, undoing an import (design 9.7)."""
