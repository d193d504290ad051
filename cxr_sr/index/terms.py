"""List the words of a header that an index may repeat: only terms of the standard.

A header may hold any text that somebody typed, and people share indexes.
"""

from __future__ import annotations

from cxr_sr.formats.dicom.naming import KNOWN_TERMS

OTHER = "OTHER"
"""Replaces every text that is no term of the standard."""
_VIEWS = (
    "AP PA LL RL RLD LLD RLO LLO LAT LATERAL LLAT RLAT OBL OBLIQUE RAO LAO RPO LPO "
    "AX AXIAL TAN LORDOTIC DECUBITUS SUPINE ERECT "
    "CC ML LM MLO LMO CCID XCCL XCCM SIO FB RM AT"
)
"""Terms of ViewPosition in PS3.3 C.8.7.1 and C.8.11.7, and common terms of vendors."""
_PARTS = (
    "ABDOMEN ABDOMENPELVIS ADRENAL ANKLE AORTA ARM AXILLA BACK BLADDER BRAIN BREAST "
    "BRONCHUS BUTTOCK CALCANEUS CALF CAROTID CEREBELLUM CERVIX CHEEK CHEST "
    "CHESTABDOMEN CHESTABDPELVIS CLAVICLE COCCYX COLON CORNEA CSPINE CTSPINE "
    "DUODENUM EAR ELBOW "
    "ESOPHAGUS EXTREMITY EYE FACE FEMUR FINGER FOOT FOREARM GALLBLADDER HAND HEAD "
    "HEADNECK HEART HIP HUMERUS ILEUM ILIUM IAC JAW JEJUNUM KIDNEY KNEE LARYNX LEG "
    "LIVER LSPINE LSSPINE LUNG MANDIBLE MAXILLA MEDIASTINUM MOUTH NECK NECKCHEST "
    "NECKCHESTABDOMEN NECKCHESTABDPELV NOSE ORBIT PANCREAS PAROTID PATELLA PELVIS "
    "PHARYNX PORTCHEST PROSTATE RADIUS RADIUSULNA RIB RIBS SACRUM SCALP SCAPULA SELLA "
    "SHOULDER SINUS SKULL SPINE SPLEEN SSPINE STERNUM STOMACH SUBMANDIBULAR TESTIS "
    "THIGH THORAX THUMB THYMUS THYROID TIBIA TIBIAFIBULA TLSPINE TMJ TOE TONGUE "
    "TRACHEA TSPINE ULNA UPPERARM URETER URETHRA UTERUS VAGINA WHOLEBODY WRIST "
    "ZYGOMA"
)
"""Terms of BodyPartExamined in PS3.16 Annex L, without blanks."""


def view(found: str) -> str:
    """Return a view if it is a term of the standard, or ""; else OTHER."""
    return found if found in _VIEWS.split() or not found else OTHER


def body_part(found: str) -> str:
    """Return a body part if it is a term of the standard, or ""; else OTHER."""
    plain = found.replace(" ", "").replace("_", "")
    return found if plain in _PARTS.split() or not found else OTHER


def modality(found: str) -> str:
    """Return a modality if it is a term of the standard, or ""; else OTHER."""
    return found if found in KNOWN_TERMS or not found else OTHER
