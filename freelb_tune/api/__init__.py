"""What may a Python user call? Space, plan, search and results, as `freelb_tune` hands them on.

Room: api. One file per noun, each light to import: pandas, torch and Ray load when they are needed.
The command line is a skin over these, and says nothing that they do not say.
"""
