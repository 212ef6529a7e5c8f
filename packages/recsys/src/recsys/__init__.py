"""Everything about recommending; nothing about AWS."""
