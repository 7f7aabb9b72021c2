@app.get("/health")
def health():
    return {"ok": check()}
