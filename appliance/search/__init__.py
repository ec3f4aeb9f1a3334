"""Full-text search over what a node's own replica holds.

text, words, query are pure. A *position* is a message's place in the order of arrival at this
node; a *partition* holds a range of positions as one Whoosh index; the *catalogue* (SQLite) has
what is looked up rather than searched, and says which commit of each partition counts.
"""
