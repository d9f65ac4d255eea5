"""The routes: one module for each resource; handlers translate, the rules live below."""
