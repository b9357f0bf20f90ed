"""Print the recipes as a table in Markdown.

python -m emmental.recipes
"""

from emmental.recipes.table import overview

if __name__ == "__main__":
    print(overview())
