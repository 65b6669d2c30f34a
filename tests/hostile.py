"""What a title, a document, a question, a model's reply or a reader may try against a page."""

from __future__ import annotations

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1) 'title')",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "<https://evil.example/>",
    '```"><img src=x onerror=alert(1)>\ncode\n```',
    "```html\n<script>alert(1)</script>\n```",
    "```python\n'''</code></pre><script>alert(1)</script>'''\n```",
    "    </code></pre><script>alert(1)</script>",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    '[x]: javascript:alert(1) "t"\n\n[x]',
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\ue000<b onclick=alert(1)>\ue001",
    "# <iframe srcdoc='<script>alert(1)</script>'>",
    "[click](java&NewLine;script:alert(1))",
    '[click](https://evil.example/"onmouseover="alert(1))',
    "``` {.x onclick=alert(1)}\ncode\n```",
    '~~~"><svg onload=alert(1)>\ncode\n~~~',
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "</title></textarea>--><script>alert(1)</script>",
    '<https://evil.example/?a="onclick="alert(1)>',
    "<base href=//evil.example><meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
]
