"""The exercise programme: a content pack, rules that pair habits with practice, progress over the log. See docs/programme.md."""
