"""Attack a release: what can be learnt from it of small stations, of single voters and of candidates?"""
