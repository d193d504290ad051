"""Write one HTML page with the results of a run: images before and after.

::

    page.write_page(report, places, limits, path)    the page, a case at a time
    cases.case_of(entry, places, side_px)            a file's facts and its two pictures
    region.busiest(stored, size)                     the part of an image to show
    packing.packed(samples)                          pixels as text; page.js unpacks it
    page.html, page.css, page.js                     the page for the browser

The page has the stored values, so that window and level use all bits. The page loads
nothing from the network and sends nothing.
"""
