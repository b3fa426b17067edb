/** What the tables beside were taken from. In a file of its own: who tells it alone reads none of them. */

/** Of NVIDIA's Xid catalogue, in catalogue.json. */
export const XID_EDITION = '610';

/** Of the driver's sources and of the Fabric Manager user guide, in sxid-catalogue.json. */
export const SXID_EDITION = '595.45.04 and DU-09883-001 v1.3';
