"""Visual tasks on the trunk: segmentation and classification of radiographs."""
