"""Style and script of the HTML page: written into it, and allowed by their hashes alone."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--soft:#59636e;--line:#d1d9e0;--card:#f6f8fa;--error:#b3261e;
  --warning:#8a5300;--info:#0a5ea8;--ok:#1a6e34;--tile:#cfe3f7;--tile-error:#f5c6c2;--tile-warning:#f6dfb0;
  --code:#eef1f4}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9da7b1;--line:#3d444d;--card:#151b23;
  --error:#ff8a80;--warning:#f0b955;--info:#7cc0ff;--ok:#6fd58a;--tile:#1f3a5a;--tile-error:#6b2320;
  --tile-warning:#5c430f;--code:#1c232c}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1.5rem 1rem 4rem;background:var(--bg);color:var(--fg);
  font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0 0 .25rem}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}
h3{font-size:1rem;margin:0 0 .3rem}
p{margin:.3rem 0}
.soft{color:var(--soft)}
.error{color:var(--error)}
.warning{color:var(--warning)}
.info{color:var(--info)}
.ok{color:var(--ok)}
.families{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:.5rem;padding:0;list-style:none}
.families li{border:1px solid var(--line);border-radius:6px;padding:.4rem .7rem;background:var(--card)}
.families b{display:block}
article{border:1px solid var(--line);border-left:5px solid var(--line);border-radius:6px;padding:.9rem 1rem;
  margin:0 0 1rem;background:var(--card)}
article.is-error{border-left-color:var(--error)}
article.is-warning{border-left-color:var(--warning)}
article.is-info{border-left-color:var(--info)}
.message{font-weight:600}
.evidence{margin:.4rem 0;padding-left:1.2rem}
.evidence li,code,pre{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.875rem}
.fix{margin-top:.7rem}
.command{display:flex;gap:.5rem;align-items:flex-start;margin:.25rem 0}
pre{margin:0;flex:1;background:var(--code);padding:.45rem .6rem;border-radius:5px;white-space:pre-wrap;
  word-break:break-word;min-width:0}
button{font:inherit;font-size:.8rem;padding:.3rem .6rem;border:1px solid var(--line);border-radius:5px;
  background:var(--bg);color:var(--fg);cursor:pointer}
button:focus-visible,summary:focus-visible,a:focus-visible{outline:2px solid var(--info);outline-offset:2px}
details{margin-top:.6rem}
summary{cursor:pointer}
.picture{overflow-x:auto;margin-top:.5rem}
svg{max-width:100%;height:auto;font:13px system-ui,sans-serif}
svg.graph{max-width:none}
svg text{fill:var(--fg)}
svg.sizes{width:100%}
svg.graph text{text-anchor:middle}
svg .note,svg .spec,svg .size{font-size:11px;fill:var(--soft)}
svg.graph .spec{text-anchor:start}
svg .spec{paint-order:stroke;stroke:var(--card);stroke-width:4px}
svg .other{fill:var(--bg);stroke:var(--line)}
svg .subject{fill:var(--tile);stroke:var(--info)}
svg .gone{fill:var(--bg);stroke:var(--error);stroke-dasharray:4 3}
svg .arrow{fill:none;stroke:var(--soft);stroke-width:1.3}
svg .head{fill:var(--soft)}
svg .arrow.bad{stroke:var(--error);stroke-dasharray:5 3}
svg .head.bad{fill:var(--error)}
svg .plain{fill:var(--tile)}
svg rect.error{fill:var(--tile-error)}
svg rect.warning{fill:var(--tile-warning)}
table{border-collapse:collapse}
td,th{padding:.15rem .8rem .15rem 0;text-align:left}
td.number{text-align:right;font-variant-numeric:tabular-nums}
@media print{button{display:none}article{break-inside:avoid}}
"""

SCRIPT = """
document.addEventListener("click",function(event){
 var button=event.target.closest("button[data-copy]");if(!button)return;
 var text=button.parentNode.querySelector("pre").textContent;
 function said(done){button.textContent=done?"copied":"press Ctrl+C";setTimeout(function(){button.textContent="copy"},1500)}
 function byHand(){var range=document.createRange();range.selectNodeContents(button.parentNode.querySelector("pre"));
  var chosen=getSelection();chosen.removeAllRanges();chosen.addRange(range);
  var done=false;try{done=document.execCommand("copy")}catch(error){}said(done)}
 if(navigator.clipboard)navigator.clipboard.writeText(text).then(function(){said(true)},byHand);else byHand();
});
"""
