"""The map: what the index knows, as a picture, with the questions that were asked laid over it.

layout       points from vectors: UMAP, t-SNE or PCA
regions      parts of the picture, with labels
drawing      what is drawn, free of any format
maps         the service: from the store to a drawing
page, svg, png   the formats
"""

from rag.desk.map.drawing import Drawing
from rag.desk.map.maps import Maps

__all__ = ["Drawing", "Maps"]
