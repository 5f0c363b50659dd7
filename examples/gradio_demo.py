"""A page of one's own in ten lines, with Gradio: a photograph, a style of the gallery, and how much of it.

pip install gradio
python examples/gradio_demo.py
"""

import gradio as gr

import impasto

stylizer = impasto.Stylizer()


def paint(photo, style, strength):
    return stylizer.stylize(photo, style, strength=strength).pastiche.to_pil()


photo, strength = gr.Image(type="filepath", label="Photograph"), gr.Slider(0, 1, 1, label="Strength")
style = gr.Dropdown(stylizer.gallery.names(), value="starry-night", label="Style")
demo = gr.Interface(paint, [photo, style, strength], gr.Image(label="Pastiche"), analytics_enabled=False)
if __name__ == "__main__":
    demo.launch()
