"""What programs that speak the Model Context Protocol may do with Selva: look, render, measure, show, propose and place, inside
folders that a person names. `selva mcp` serves it on standard input and output.
"""
