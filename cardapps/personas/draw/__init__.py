"""The portraits of the fictional holders, as a script: `python -m cardapps.personas.draw` draws all of them anew.

`people` says what each person looks like; `figure`, `hair` and `dress` draw on a `sheet`; `jpeg` compresses to a
wanted size, and `edges` makes the one picture whose bytes are hard on readers. Needs Pillow, which is only a
development dependency: the pictures themselves are package data.
"""
