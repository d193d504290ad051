"""One page to look at a run: before and after, in a browser, from the disk.

::

    page.write_page(report, places, limits, path)    the page, a case at a time
    cases.case_of(entry, places, side_px)            a file's facts and its two pictures
    region.busiest(stored, size)                     which part of an image is shown
    packing.packed(samples)                          pixels as text that page.js unpacks
    page.html, page.css, page.js                     what the browser gets

The page holds stored values, so that window and level work on all of their bits. It
loads nothing and sends nothing.
"""
