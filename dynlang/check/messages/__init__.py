"""What a mistake looks like to the one who made it, and the repair that is offered.

shapes.py    two shapes that don't fit: transposed, one apart, without the batch axis
scalars.py   number types that don't agree (rule 22)
operands.py  misfits.py: what an operator doesn't take; arguments in the wrong order
words.py     words that people bring along from Python, NumPy and PyTorch
rewrites.py  repairs that change the text around a mistake
"""
